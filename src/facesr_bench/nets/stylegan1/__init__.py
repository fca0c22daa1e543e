"""StyleGAN1, the prior of the published PULSE, taking PULSE's converted files as they are."""
