"""Who runs which job where: the executors, their processes, and what they report. Nothing here imports torch."""
