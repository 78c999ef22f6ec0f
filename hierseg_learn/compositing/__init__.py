"""ImageSource cut apart, filled and put together again."""
