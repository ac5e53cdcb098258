"""Made-up users for training: who they are, what they do, what it is called, when it happens, how it is written down.

`catalogue` reads the word lists beside it (TOML), `names` puts names together, `wording` fills sentences, `interests`
and `personas` draw a user, `clock` gives times, `apps` writes what one kind of app writes, `records` a whole log. The
stage is `training.synthesise`. Nobody here exists, and no name is known to be anybody's.
"""
