"""What tests share: scripted servers, small models, inputs and outputs."""
