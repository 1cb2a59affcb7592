"""Statistics, figures, and the HTML report."""

from seedstep.report.contents import SECTIONS, ReportContext, ReportSection
from seedstep.report.page import Report, write_report
from seedstep.report.records import Paragraph, Section, Table

__all__ = [
    "SECTIONS",
    "Paragraph",
    "Report",
    "ReportContext",
    "ReportSection",
    "Section",
    "Table",
    "write_report",
]
