"""What goes into a model: placeholders and, with their issues, purifier, injector, expansion."""
