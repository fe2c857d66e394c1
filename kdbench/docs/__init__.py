"""Documentation: what is made of the code (`python -m kdbench.docs`), the site, and the check that what pages show is true."""
