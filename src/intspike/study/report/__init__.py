"""The report of a run: one self-contained HTML page that opens offline."""

from .content import MembraneTrace as MembraneTrace
from .content import QuantizerPicture as QuantizerPicture
from .content import Raster as Raster
from .content import ReportContent as ReportContent
from .content import Table as Table
from .content import Variant as Variant
from .page import Page as Page
from .page import render as render
from .page import write_report as write_report
from .sections import Section as Section
from .tables import drift_table as drift_table
