"""Numbers from stored outputs, in numpy alone: card.py is the door, a family a file behind it, catalogue.py lists all."""
