"""What else would film a folder of photographs: the floor, libraries as users use them, and programs.

Every peer is a function `(photographs, tar)` that writes one tar: 12 frames of 224x224 a photograph.
"""
