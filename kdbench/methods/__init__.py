"""Distillation methods, one in a file; features.py is what the methods on feature maps share."""
