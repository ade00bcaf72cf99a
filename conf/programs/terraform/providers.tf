provider "aws" {
  region = "eu-central-1"

  assume_role_with_web_identity {
    role_arn                = "arn:aws:iam::123456789012:role/web"
    session_name            = "terraform"
    web_identity_token_file = "/run/spire-bridge/aws-token"
  }
}

provider "azurerm" {
  features {}
  use_oidc             = true
  oidc_token_file_path = "/run/spire-bridge/azure-token"
  tenant_id            = "22222222-2222-2222-2222-222222222222"
  client_id            = "11111111-1111-1111-1111-111111111111"
  subscription_id      = "33333333-3333-3333-3333-333333333333"
}

# By GOOGLE_APPLICATION_CREDENTIALS, a file such as ../velero/gcp.json.
provider "google" {
  project = "example"
}
