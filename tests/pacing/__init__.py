"""An apply at the account's pace, in virtual time: the product's own engine, runner, client and pacer, and its rivals."""
