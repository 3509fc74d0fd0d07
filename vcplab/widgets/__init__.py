"""What is seen and clicked: one file per view, found by name from the objects it draws."""
