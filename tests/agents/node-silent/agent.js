// A command without output.
