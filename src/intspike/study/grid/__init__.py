"""A study is a grid of cells: each is computed once, kept whole under its content, and never computed again."""

from .cell import Cell as Cell
from .cell import Outcome as Outcome
from .cell import cell_hash as cell_hash
from .run import RECORD as RECORD
from .run import run_cells as run_cells
from .store import Finished as Finished
from .store import Store as Store
