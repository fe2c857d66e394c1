"""Jobs on a cluster of Ray's: a task a process, on whatever node Ray chooses. Ray itself is imported only in functions."""
