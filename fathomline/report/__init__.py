"""The report: an HTML page, and tables for spreadsheets and `dvc plots`."""
