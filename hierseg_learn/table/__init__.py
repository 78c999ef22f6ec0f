"""The table between images and classifier: names of columns, nodes, and checks."""
