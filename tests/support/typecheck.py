"""Run-time types: `PYTHONPATH=tests/support pytest --jaxtyping-packages=retrieval,typecheck.checked`.

Beartype as it is, but an int may stand where a float is asked for, as everywhere else in Python.
"""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
