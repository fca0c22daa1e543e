"""SCGAN's Fig. 3: where restored faces lie among the HR faces of ten people (t-SNE of ResNet-101)."""
