"""Teachers from elsewhere: measured before they are admitted, told why where they are not."""
