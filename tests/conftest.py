"""What holds for all tests: the summary also says what they took of the processors."""

import pytest
from spent import spent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"took {spent()}")
