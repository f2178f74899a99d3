"""The accuracy experiments: which are run, a queue that runs them, and the tables made of them."""
