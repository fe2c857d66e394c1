"""What will be run: jobs by what they compute, and what is to be done with each, and why."""
