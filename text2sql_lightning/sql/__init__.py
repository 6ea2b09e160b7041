"""What SQL means: schemas, execution, fillings. No torch."""
