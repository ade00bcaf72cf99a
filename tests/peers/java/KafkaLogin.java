import java.io.FileReader;
import java.util.Properties;
import org.apache.kafka.clients.admin.AdminClient;

/** Logs in as Kafka's clients do when they start, by a properties file; no broker is there. */
public class KafkaLogin {
  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    try (var reader = new FileReader(arguments[0])) {
      properties.load(reader);
    }
    properties.put("bootstrap.servers", "127.0.0.1:1");
    try (AdminClient client = AdminClient.create(properties)) {
      System.out.println("logged in");
    } catch (Exception error) {
      Throwable cause = error;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      System.err.println(cause.getMessage());
      System.exit(1);
    }
  }
}
