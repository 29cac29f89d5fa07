"""Awning: a shop that folds away when nobody is shopping."""
