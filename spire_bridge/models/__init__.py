"""Model clouds: the token endpoints of AWS, Google and Entra as their documentation describes
them, for development and tests. They are models of the clouds and not the clouds: they judge
by the rules of `cloud`, and what they hand out opens nothing.

`model_clouds` is where to start. Beside the sandbox and no part of it, since the rules read
tokens as the bridge does, and the sandbox must not.
"""
