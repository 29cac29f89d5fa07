"""Awning: a serverless online shop."""
