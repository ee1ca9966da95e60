"""What each page shows; pure."""
