"""One job on several devices: each process (rank) runs the nets on its share of a batch's rows, and all see the whole of it."""
