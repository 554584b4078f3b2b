"""One bounded piece of training on a rented or local machine, with a deadline and a money cap."""
