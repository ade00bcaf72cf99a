import java.security.KeyStore;
import java.security.cert.X509Certificate;
import org.springframework.boot.ssl.pem.PemSslStoreBundle;
import org.springframework.boot.ssl.pem.PemSslStoreDetails;

/** Reads a certificate, its key and what to trust as Spring Boot's SSL bundles do. */
public class PemBundle {
  public static void main(String[] locations) throws Exception {
    try {
      var store = PemSslStoreDetails.forCertificate(locations[0]).withPrivateKey(locations[1]);
      var bundle = new PemSslStoreBundle(store, PemSslStoreDetails.forCertificate(locations[2]));
      KeyStore keys = bundle.getKeyStore();
      var leaf = (X509Certificate) keys.getCertificate("ssl");
      System.out.println(leaf.getSubjectAlternativeNames());
      System.out.println(bundle.getTrustStore().size());
    } catch (Exception error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}
