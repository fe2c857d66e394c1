"""The data of the built-in tasks: drawn from numbers, or scikit-learn's digits."""
