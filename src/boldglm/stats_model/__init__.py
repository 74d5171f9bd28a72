"""BIDS Stats Models: the file as checked values, its variables, and the graph of its nodes.

Pure: JSON content and tables in, designs and plans out. No file is read here.
"""
