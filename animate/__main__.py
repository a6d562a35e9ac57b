"""`python -m animate`: the program `animate`."""

from animate.beside import run_program

if __name__ == "__main__":
    run_program("animate")
