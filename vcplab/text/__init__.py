"""Text: analysis, languages, sentences, numerals, times, tokens and highlighting; all pure."""
