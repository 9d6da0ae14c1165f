"""How numbers, units and expressions are written, and which of them are the same; knows of no
question and no judge.
"""
