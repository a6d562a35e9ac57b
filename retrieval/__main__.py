"""`python -m retrieval`: the program `retrieval`."""

from animate.beside import run_program

if __name__ == "__main__":
    run_program("retrieval")
