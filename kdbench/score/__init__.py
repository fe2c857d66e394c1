"""The cards for anyone's own outputs: arrays in files, trained and stored elsewhere, read a part at a time."""
