"""Clinical rules: what speaks against a medicine, by tables with sources. Nothing here reads or writes anything of anybody's."""
