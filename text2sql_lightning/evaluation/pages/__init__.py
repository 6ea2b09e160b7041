"""Reports as pages: one content, written as Markdown and as one self-contained HTML file."""
