"""What is done with a finished artifact: predicting photos, measuring its speed."""
