"""Data sets as they lie on disk (photos, scenes, audio, text) or are made from numbers (made), and what their readers share."""
