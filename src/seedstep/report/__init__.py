"""Statistics, figures, and the HTML report."""

from seedstep.report.contents import SECTIONS, ReportContext, ReportSection
from seedstep.report.records import Paragraph, Section, Table
from seedstep.report.write import Report, write_report

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
