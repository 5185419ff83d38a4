"""From records to pages: HTML, Markdown, Readme and the terminal. It reads records and nothing else."""
