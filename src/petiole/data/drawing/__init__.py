"""The drawing of ants and bees: solids, light, body plans, grounds, and what lies about."""
