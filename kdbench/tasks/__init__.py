"""What is learned, in files by source: sets and views, how outputs are read, the loss. How sets are read lies in data/."""
