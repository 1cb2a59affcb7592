"""People look at what runs made, and label it: a web app, and a file that works without one."""
