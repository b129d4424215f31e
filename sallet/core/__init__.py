"""The nouns and the one idea: a defence awaits only its `via`; a runtime decides the rest."""
