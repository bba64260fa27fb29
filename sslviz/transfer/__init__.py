"""What an encoder is worth downstream: few labels, fine-tuning, dense tasks, shift, adaptation, cost, new tasks."""
