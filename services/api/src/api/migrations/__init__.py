"""How the database schema came to be, step by step."""
