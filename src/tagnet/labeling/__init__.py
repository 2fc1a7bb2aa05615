"""The labelling loop by file: tasks out to the tools, answers back, versions of the records merged from them."""
