"""Recipes and studies: runs whose finished steps are kept, and their reports."""
