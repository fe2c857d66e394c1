"""A verb of the command line each: arguments in, words and an exit code out. What several of them need lies one folder up."""
