from seedstep.report.contents import (
    SECTIONS as SECTIONS,
    ReportContext as ReportContext,
    ReportSection as ReportSection,
)
from seedstep.report.page import Report as Report, write_report as write_report
from seedstep.report.records import (
    Chart as Chart,
    Paragraph as Paragraph,
    Section as Section,
    Table as Table,
)
